"""What callers can ask for: one plain async function a method. No transport is known here."""
