"""What a clip holds, read from ffmpeg's report and its packets."""
