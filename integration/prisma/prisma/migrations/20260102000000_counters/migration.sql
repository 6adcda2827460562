-- As people write them by hand, with semicolons between the dollars.

CREATE FUNCTION count_on(counter integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    UPDATE "Counter" SET n = n + 1 WHERE id = counter;
    RETURN (SELECT n FROM "Counter" WHERE id = counter);
END;
$$;

DO $$
BEGIN
    RAISE NOTICE 'a counter for each client';
    INSERT INTO "Counter" (id) SELECT generate_series(0, 99);
END;
$$;

ALTER TABLE "Counter" ADD CONSTRAINT counts CHECK (n >= 0);
