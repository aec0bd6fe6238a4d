/** The rules of the commit hold in every reachable state, and each of them is needed. */

import { describe, expect, test } from "vitest";
import { explore, MUTANTS } from "./commit-model.js";

test("as specified: no state is unsafe, and agreement can be reached from every one", { timeout: 120_000 }, () => {
  const { states, unsafe, stuck } = explore();
  expect(unsafe).toBeUndefined();
  expect(stuck).toBe(0);
  // Far fewer would mean that the walk ended early.
  expect(states).toBeGreaterThan(38_000);
});

describe("with one rule broken", () => {
  test.each(MUTANTS)("%s: it goes wrong", { timeout: 120_000 }, (mutant) => {
    const { unsafe, stuck } = explore(mutant);
    expect(unsafe !== undefined || stuck > 0).toBe(true);
  });
});
