"""Jobs: plans made of tasks, and their execution. Shared by images, video and evaluation."""
