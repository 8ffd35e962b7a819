"""Draws messages and watchers for people. Pure: values in, text or rich's renderables out."""
