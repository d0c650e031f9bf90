"""The model family `video_pose`."""
