/** Goods that travel sealed: whatever belongs to them and was changed on the way, they are not opened. */

import { expect, it } from "vitest";
import { openGoods, sealGoods } from "../../host/tokens/http/sealed-goods.js";
import { seededRandom } from "../support/token-buyer.js";

const SEAL = { key: new Uint8Array(32).fill(1), orderHash: new Uint8Array(32).fill(2), type: "text/plain" };
const GOODS = new TextEncoder().encode("<b>goods</b>");
const sealed = sealGoods(GOODS, SEAL, seededRandom("goods"));

it("are opened by who has key, order and type", () => {
  expect(openGoods(sealed, SEAL)).toEqual(GOODS);
});

it.each([
  ["type", { ...SEAL, type: "text/html" }],
  ["no type", { ...SEAL, type: "" }],
  ["order", { ...SEAL, orderHash: new Uint8Array(32).fill(3) }],
  ["key", { ...SEAL, key: new Uint8Array(32).fill(3) }],
])("are not opened under another %s", (_what, seal) => {
  expect(openGoods(sealed, seal)).toBeUndefined();
});

it("are not opened with any bit changed, cut off, or longer", () => {
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.map((byte, i) => (i === at ? byte ^ 1 : byte));
    expect(openGoods(changed, SEAL)).toBeUndefined();
    expect(openGoods(sealed.subarray(0, at), SEAL)).toBeUndefined();
  }
  expect(openGoods(Uint8Array.of(...sealed, 0), SEAL)).toBeUndefined();
});
