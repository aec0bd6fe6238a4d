/** The table of attacks in docs/SAFETY.md and the tests of them: every row has one, every link leads to a test, none is left out. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../support/firmware.js";

const DOCUMENT = "docs/SAFETY.md";
const ATTACKS = "test/attacks";
/** attack, what stops it, what is not stopped, tests */
const COLUMNS = 4;
const LINK = /\[[^\]]+\]\(([^)]+)\)/g;

/** The cells of each row of the one table in that section. */
function rowsOf(text: string): string[][] {
  const [, section = ""] = text.split(/^## Attacks$/m);
  const [own = ""] = section.split(/^## /m);
  const lines = own.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function linksOf(cell: string): string[] {
  return [...cell.matchAll(LINK)].map(([, target]) => join("docs", target ?? ""));
}

describe("docs/SAFETY.md", () => {
  test("links to what is there, and leaves nothing to be filled in", () => {
    const text = readFileSync(join(root, DOCUMENT), "utf8");
    const links = linksOf(text);
    expect(links.length).toBeGreaterThan(40);
    for (const path of links) expect([path, existsSync(join(root, path.replace(/#.*/, "")))]).toEqual([path, true]);
    expect(text.match(/\b(MEASURED|TODO|DEFECTS)\b/)).toBeNull();
  });
});

describe("docs/SAFETY.md, Attacks", () => {
  const rows = rowsOf(readFileSync(join(root, DOCUMENT), "utf8"));
  const tests = rows.map((cells) => linksOf(cells[COLUMNS - 1] ?? ""));

  test("has a row for each attack, with what stops it and by which tests that is shown", () => {
    expect(rows.length).toBeGreaterThan(12);
    for (const cells of rows) {
      expect(cells).toHaveLength(COLUMNS);
      const [attack, stops] = cells;
      expect([attack, (stops ?? "").length > 20]).toEqual([attack, true]);
    }
    for (const [at, links] of tests.entries()) expect(links.length, rows[at]?.[0]).toBeGreaterThan(0);
  });

  test("links to tests that are there", () => {
    const missing = tests.flat().filter((path) => !/^test\/.*\.test\.ts$/.test(path) || !existsSync(join(root, path)));
    expect(missing).toEqual([]);
    const elsewhere = rows.flatMap((cells) => cells.slice(0, -1).flatMap(linksOf));
    for (const path of elsewhere) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });

  test("leaves out no test of an attack", () => {
    const written = readdirSync(join(root, ATTACKS)).filter((name) => name.endsWith(".test.ts"));
    expect(written.length).toBeGreaterThan(10);
    const linked = new Set(tests.flat());
    expect(written.map((name) => `${ATTACKS}/${name}`).filter((path) => !linked.has(path))).toEqual([]);
  });
});
