"""Generators and discriminators as nn.Modules, and the stages that describe them."""
