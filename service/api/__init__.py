"""The handlers of all APIs: one plain async function per method. No transport is known here."""
