"""Running all watchers of one deployment directory under one private supervisord."""
