"""What clips alone ask of inference: frames whose luma and colour stay apart."""
