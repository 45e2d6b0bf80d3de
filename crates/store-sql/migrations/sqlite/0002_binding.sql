-- The key that a session is bound to, in bytes that only the library reads; NULL for most.
ALTER TABLE hallpass_session ADD COLUMN binding BLOB;
