"""The basics that every part needs: errors, data types, files, metrics, health."""
