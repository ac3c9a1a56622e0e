"""Where audio comes from: files, folders, arrays, live audio."""
