"""Sources of audio: files, folders, arrays, live audio."""
