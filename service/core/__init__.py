"""What every part needs: errors, data types, files, metrics, health."""
