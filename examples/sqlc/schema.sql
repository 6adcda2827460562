-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE orders (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    cents    integer NOT NULL
);
