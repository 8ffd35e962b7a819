"""The models of messages as JSON Schema (https://json-schema.org/draft/2020-12). Pure."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class AsIs(GenerateJsonSchema):
    """Leaves out what pydantic adds: titles of fields, and defaults of None, which only say that a field can be absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic calls it with the schema
        """Return False: the name says it all."""
        return False

    def normalize_name(self, name: str) -> str:
        """Return the key of a definition: the name of its model, as it is published."""
        return super().normalize_name(name.removesuffix("Message"))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of the value alone."""
        return self.generate_inner(schema["schema"])


def json_schema(comment: str, model: type[BaseModel]) -> str:
    """Write the JSON Schema of a model, with a comment."""
    schema = model.model_json_schema(schema_generator=AsIs)
    return json.dumps({"$schema": JSON_SCHEMA, "$comment": comment, **schema}, indent=2, ensure_ascii=False) + "\n"
