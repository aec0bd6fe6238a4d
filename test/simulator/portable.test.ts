import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/firmware.js";

/** What a browser build takes; it brings its own cryptography. */
const CORE = ["chip", "element", "applet", "flash", "faults", "tears", "aging", "time", "randomness", "crypto"];

/** Everything that a file imports, types aside, and what that imports in turn. */
function importsOf(path: string, seen = new Set<string>()): Set<string> {
  const text = readFileSync(join(root, path), "utf8");
  for (const [, specifier = ""] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)";/gms)) {
    const target = specifier.startsWith(".") ? join(dirname(path), specifier.replace(/\.js$/, ".ts")) : specifier;
    if (seen.has(target)) continue;
    seen.add(target);
    if (specifier.startsWith(".")) importsOf(target, seen);
  }
  return seen;
}

test("the walk finds what only Node has", () => {
  expect(importsOf("simulator/sodium.ts")).toContain("sodium-native");
  expect(importsOf("simulator/applet-files.ts")).toContain("node:fs");
});

test.each(CORE)("simulator/%s.ts takes nothing that only Node has", (name) => {
  const foreign = [...importsOf(`simulator/${name}.ts`)].filter((target) => !target.startsWith("simulator/"));
  expect(foreign).toEqual([]);
});
