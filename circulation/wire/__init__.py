"""What crosses MQTT: topics, messages, facts, hashes. Portable."""
