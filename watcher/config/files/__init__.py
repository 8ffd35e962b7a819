"""Settings as they stand in the files of `conf.d/`, in an `.env` file or in the environment, each with its origin.

It imports the names of the settings and the faults, but checks no value. Everything that depends on the form of a file belongs
here: TOML, `.env`, `${NAME}`, and secrets in files of their own.
"""
