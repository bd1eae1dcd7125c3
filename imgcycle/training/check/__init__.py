"""A look at two folders of pictures before they are learnt from: what is there, what does not belong, what to do."""
