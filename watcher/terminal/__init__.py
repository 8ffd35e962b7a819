"""What people look at: messages and watchers, drawn. Pure: values in, text or rich's renderables out."""
