"""What a command does: plans made of tasks, and what carries them out. Shared by images, video and evaluation."""
