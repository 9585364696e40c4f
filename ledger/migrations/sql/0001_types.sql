-- Quantities are whole atoms. A plain numeric(p, 0) would round 1.5 to 2 and take NaN; this domain refuses both.
CREATE DOMAIN atoms AS numeric
    CONSTRAINT atoms_are_whole CHECK (VALUE = trunc(VALUE) AND abs(VALUE) < 1e38);

-- reverse --
DROP DOMAIN atoms;
