"""The programs we are measured beside, each with its settings in `settings/`."""
