"""Keys of the recipes: what fits them, from YAML to objects."""
