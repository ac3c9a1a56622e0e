"""What belongs to other projects, behind this package's interfaces."""
