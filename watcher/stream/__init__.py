"""The data path, in the order the data flows: change_stream, message, kafka_sink; position and pipeline hold it together."""
