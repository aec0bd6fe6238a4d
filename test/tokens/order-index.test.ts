/** Where the acceptances of an order are: none is ever missing, and what was removed is gone. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { sha256 } from "../../host/crypto.js";
import { OrderIndex } from "../../host/tokens/seller/order-index.js";

const hashOf = (order: number) => sha256(Uint8Array.of(order, order >> 8));

it("finds all acceptances of an order, and none that were removed", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 200 }), fc.array(fc.nat(200)), (orders, removed) => {
      const index = new OrderIndex();
      orders.forEach((order, nr) => {
        index.add(hashOf(order), nr);
      });
      const gone = new Set(removed);
      index.remove(gone);
      for (let order = 0; order <= 41; order++) {
        const left = orders.flatMap((each, nr) => (each === order && !gone.has(nr) ? [nr] : []));
        expect(index.find(hashOf(order)).sort((a, b) => a - b)).toEqual(left);
      }
    }),
  );
});

it("keeps them as it grows, also those whose hashes begin alike or with zeros", () => {
  const index = new OrderIndex();
  const same = new Uint8Array(32);
  for (let nr = 0; nr < 20_000; nr++) index.add(nr % 100 === 0 ? same : sha256(Uint8Array.of(nr, nr >> 8)), nr);
  expect(index.find(same)).toHaveLength(200);
  for (let nr = 1; nr < 20_000; nr += 97)
    if (nr % 100 !== 0) expect(index.find(sha256(Uint8Array.of(nr, nr >> 8)))).toContain(nr);
});
