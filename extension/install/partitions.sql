/* Short rows, partitions, what pg_dump keeps, and currencies */

CREATE FUNCTION wallet.set_usual_value(part regclass, column_name text, usual text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'wallet_set_usual_value';
COMMENT ON FUNCTION wallet.set_usual_value(regclass, text, text) IS
    'from now on a row of this empty table may end before the column, which has the one element of the array then';

/*
 * The last columns of the rows of plain transfers and of their requests are as follows, and take no room:
 * docs/posting.md, "Rows without statements".  A column that somebody has altered has no usual value.
 */
CREATE FUNCTION wallet.shorten_rows(part regclass) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT wallet.set_usual_value(part, u.name, ARRAY[u.usual]::text)
        FROM (VALUES ('kind', 'smallint', wallet.kind_number('transaction')::text), ('amount_scale', 'smallint', '2'),
                     ('currency', 'text', ''), ('extra', 'bytea', '')) AS u (name, type, usual)
            JOIN pg_attribute AS a ON a.attrelid = part AND a.attname = u.name AND a.atttypid = u.type::regtype
$$;
COMMENT ON FUNCTION wallet.shorten_rows(regclass) IS 'makes the rows of plain transfers in this empty table shorter';
SELECT wallet.shorten_rows('wallet.transfer');

/*
 * A partition has the ids from number * 2^44 on: more than anybody will ever queue before the next
 * one is begun, which takes the sequence to the next multiple.  Those made later than here are no
 * members of the extension: pg_dump keeps them as tables, and a restore attaches them.
 */
CREATE FUNCTION wallet.partition_start(number bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS 'SELECT number << 44';
COMMENT ON FUNCTION wallet.partition_start(bigint) IS 'the first request_id of a partition';

CREATE FUNCTION wallet.current_partition() RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS
    'SELECT q.last_value >> 44 FROM wallet.request_id_seq AS q';
COMMENT ON FUNCTION wallet.current_partition() IS 'the number of the partition that new requests go to';

CREATE FUNCTION wallet.make_partition(number bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET default_tablespace = '' SET default_table_access_method = heap AS $$
#variable_conflict use_variable
DECLARE
    parent text;
    part text;
    space text;
    grantee text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['request', 'outcome'] LOOP
        part := format('%s_%s', parent, number);
        /* Where the parent has been put, whoever begins the partition. */
        space := (SELECT format('TABLESPACE %I', t.spcname)
                      FROM pg_class AS c JOIN pg_tablespace AS t ON t.oid = c.reltablespace
                      WHERE c.oid = format('wallet.%I', parent)::regclass);
        EXECUTE format('CREATE TABLE wallet.%I (LIKE wallet.%I INCLUDING ALL EXCLUDING INDEXES, '
                       'PRIMARY KEY (request_id) WITH (fillfactor = 100) %s) %s',
                       part, parent, 'USING INDEX ' || space, space);
        PERFORM wallet.shorten_rows(format('wallet.%I', part)::regclass);
        EXECUTE format('COMMENT ON TABLE wallet.%I IS %L', part,
            format('the rows of wallet.%s from request %s on', parent, wallet.partition_start(number)));
        EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change()', part);
        EXECUTE format('ALTER TABLE wallet.%I ENABLE ALWAYS TRIGGER refuse_change', part);
        FOR grantee IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
                WHERE c.oid = format('wallet.%I', part)::regclass AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('REVOKE ALL ON wallet.%I FROM %s', part, grantee);
        END LOOP;
        EXECUTE format('ALTER TABLE wallet.%I ATTACH PARTITION wallet.%I FOR VALUES FROM (%s) TO (%s)',
            parent, part, wallet.partition_start(number), wallet.partition_start(number + 1));
    END LOOP;
END
$$;
COMMENT ON FUNCTION wallet.make_partition(bigint) IS
    'makes a partition of wallet.request and of wallet.outcome; nobody who queues has to wait for it';

/* The one that is filled, and the next. */
SELECT wallet.make_partition(0), wallet.make_partition(1);

/* Rows and sequences that belong to the users, so that pg_dump keeps them. */
SELECT pg_catalog.pg_extension_config_dump('wallet.currency', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('wallet.wallet', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.wallet_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.request_0', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.request_1', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.request_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.transfer', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.transfer_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.hold', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.reversed', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.limit_change', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.limit_change_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.outcome_0', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.outcome_1', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.expiry', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.idempotency_key', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.queue_position', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.opening', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.secret', '');
SELECT pg_catalog.pg_extension_config_dump('wallet.audit', '');

INSERT INTO wallet.currency (builtin, code, number, minor_digits)
SELECT true, c.code, c.number, c.minor_digits FROM (VALUES
    ('aed', 784, 2), ('afn', 971, 2), ('all', 8, 2), ('amd', 51, 2),
    ('ang', 532, 2), ('aoa', 973, 2), ('ars', 32, 2), ('aud', 36, 2),
    ('awg', 533, 2), ('azn', 944, 2), ('bam', 977, 2), ('bbd', 52, 2),
    ('bdt', 50, 2), ('bgn', 975, 2), ('bhd', 48, 3), ('bif', 108, 0),
    ('bmd', 60, 2), ('bnd', 96, 2), ('bob', 68, 2), ('bov', 984, 2),
    ('brl', 986, 2), ('bsd', 44, 2), ('btn', 64, 2), ('bwp', 72, 2),
    ('byn', 933, 2), ('bzd', 84, 2), ('cad', 124, 2), ('cdf', 976, 2),
    ('che', 947, 2), ('chf', 756, 2), ('chw', 948, 2), ('clf', 990, 4),
    ('clp', 152, 0), ('cny', 156, 2), ('cop', 170, 2), ('cou', 970, 2),
    ('crc', 188, 2), ('cuc', 931, 2), ('cup', 192, 2), ('cve', 132, 2),
    ('czk', 203, 2), ('djf', 262, 0), ('dkk', 208, 2), ('dop', 214, 2),
    ('dzd', 12, 2), ('egp', 818, 2), ('ern', 232, 2), ('etb', 230, 2),
    ('eur', 978, 2), ('fjd', 242, 2), ('fkp', 238, 2), ('gbp', 826, 2),
    ('gel', 981, 2), ('ghs', 936, 2), ('gip', 292, 2), ('gmd', 270, 2),
    ('gnf', 324, 0), ('gtq', 320, 2), ('gyd', 328, 2), ('hkd', 344, 2),
    ('hnl', 340, 2), ('hrk', 191, 2), ('htg', 332, 2), ('huf', 348, 2),
    ('idr', 360, 2), ('ils', 376, 2), ('inr', 356, 2), ('iqd', 368, 3),
    ('irr', 364, 2), ('isk', 352, 0), ('jmd', 388, 2), ('jod', 400, 3),
    ('jpy', 392, 0), ('kes', 404, 2), ('kgs', 417, 2), ('khr', 116, 2),
    ('kmf', 174, 0), ('kpw', 408, 2), ('krw', 410, 0), ('kwd', 414, 3),
    ('kyd', 136, 2), ('kzt', 398, 2), ('lak', 418, 2), ('lbp', 422, 2),
    ('lkr', 144, 2), ('lrd', 430, 2), ('lsl', 426, 2), ('lyd', 434, 3),
    ('mad', 504, 2), ('mdl', 498, 2), ('mga', 969, 2), ('mkd', 807, 2),
    ('mmk', 104, 2), ('mnt', 496, 2), ('mop', 446, 2), ('mru', 929, 2),
    ('mur', 480, 2), ('mvr', 462, 2), ('mwk', 454, 2), ('mxn', 484, 2),
    ('mxv', 979, 2), ('myr', 458, 2), ('mzn', 943, 2), ('nad', 516, 2),
    ('ngn', 566, 2), ('nio', 558, 2), ('nok', 578, 2), ('npr', 524, 2),
    ('nzd', 554, 2), ('omr', 512, 3), ('pab', 590, 2), ('pen', 604, 2),
    ('pgk', 598, 2), ('php', 608, 2), ('pkr', 586, 2), ('pln', 985, 2),
    ('pyg', 600, 0), ('qar', 634, 2), ('ron', 946, 2), ('rsd', 941, 2),
    ('rub', 643, 2), ('rwf', 646, 0), ('sar', 682, 2), ('sbd', 90, 2),
    ('scr', 690, 2), ('sdg', 938, 2), ('sek', 752, 2), ('sgd', 702, 2),
    ('shp', 654, 2), ('sle', 925, 2), ('sll', 694, 2), ('sos', 706, 2),
    ('srd', 968, 2), ('ssp', 728, 2), ('stn', 930, 2), ('svc', 222, 2),
    ('syp', 760, 2), ('szl', 748, 2), ('thb', 764, 2), ('tjs', 972, 2),
    ('tmt', 934, 2), ('tnd', 788, 3), ('top', 776, 2), ('try', 949, 2),
    ('ttd', 780, 2), ('twd', 901, 2), ('tzs', 834, 2), ('uah', 980, 2),
    ('ugx', 800, 0), ('usd', 840, 2), ('usn', 997, 2), ('uyi', 940, 0),
    ('uyu', 858, 2), ('uyw', 927, 4), ('uzs', 860, 2), ('ved', 926, 2),
    ('ves', 928, 2), ('vnd', 704, 0), ('vuv', 548, 0), ('wst', 882, 2),
    ('xaf', 950, 0), ('xcd', 951, 2), ('xof', 952, 0), ('xpf', 953, 0),
    ('yer', 886, 2), ('zar', 710, 2), ('zmw', 967, 2), ('zwl', 932, 2)) AS c (code, number, minor_digits);
