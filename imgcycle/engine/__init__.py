"""Inference for images of any size: strips, plans, translator, resampling, smoothing. No file formats."""
