import { expect, it } from "vitest";
import { loadModule, testChip } from "./support/firmware.js";

it("works", async () => {
  const chip = testChip("s");
  chip.slotGenerate(0, 3);
  const m = await loadModule("store", chip);
  expect(m.call("storeMount", 0)).toBe(1);
  expect(m.call("storeFormat", 0)).toBe(0);
  const a = m.write(new Uint8Array(100).fill(7));
  for (let i = 1; i < 5000; i++) {
    expect(m.call("storeBegin", 300, 3)).toBe(0);
    for (let j = 0; j < 3; j++) expect(m.call("storePut", 1 + ((i * 3 + j) % 300), a, 100)).toBe(0);
    expect(m.call("storeCommit")).toBe(0);
  }
  const d = m.allocate(32);
  m.call("storeDigest", d);
  const n = await loadModule("store", chip);
  expect(n.call("storeMount", 0)).toBe(0);
  n.call("storeDigest", d);
  expect(n.read(d, 32)).toEqual(m.read(d, 32));
});
