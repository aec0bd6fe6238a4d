/** docs/APDU.md says what the chips do: every example in it is run, and every table in it is the one that the tools work by. */

import { describe, expect, test } from "vitest";
import * as firmware from "../../firmware/protocol/apdu.js";
import { COMMANDS } from "../../host/apdu-tools/command-table.js";
import { DATA_OBJECTS } from "../../host/apdu-tools/data-objects.js";
import { hex16, spacedHex } from "../../host/apdu-tools/names.js";
import { printPattern } from "../../host/apdu-tools/pattern.js";
import type { SessionLine } from "../../host/apdu-tools/session.js";
import { patternOf, STATUS_WORDS, statusWord } from "../../host/apdu-tools/status-table.js";
import {
  commandBlock,
  examplesIn,
  hostCommandsBlock,
  noticesBlock,
  objectBlock,
  objectHeading,
  overviewBlock,
  readDocument,
  recordsBlock,
  statusBlock,
} from "./document.js";
import { documentWorld } from "./document-world.js";

const document = readDocument();

/** What stands under a heading, up to the next one of any level. */
function under(heading: string): string {
  const start = document.indexOf(`\n${heading}\n`);
  if (start < 0) return "";
  const rest = document.slice(start + heading.length + 2);
  const end = rest.search(/^#+ /m);
  return end < 0 ? rest : rest.slice(0, end);
}

/** Headings of a level under one of the level above. */
function headingsUnder(heading: string): string[] {
  const start = document.indexOf(`\n${heading}\n`);
  const rest = document.slice(start + heading.length + 2);
  const end = rest.search(/^## /m);
  return [...(end < 0 ? rest : rest.slice(0, end)).matchAll(/^### (.*)$/gm)].map(([, title]) => title ?? "");
}

describe("the examples", () => {
  const examples = examplesIn(document);

  test("all of them run, in order, and every answer is byte for byte the one that is printed", async () => {
    const world = await documentWorld();
    const wrong: string[] = [];
    let compared = 0;
    for (const { item, number } of examples.flatMap(({ lines }) => lines)) {
      const outcome = await world.runner.take({ item, number });
      if (outcome.kind === "exchange") world.heard(outcome.exchange);
      if (outcome.kind !== "comparison") continue;
      compared += 1;
      if (outcome.mismatch === undefined) continue;
      wrong.push(
        `line ${number}: expected ${printPattern(outcome.pattern)}, got ${spacedHex(outcome.exchange.response)}`,
      );
    }
    expect(wrong).toEqual([]);
    expect(compared).toBeGreaterThan(80);
    expect(world.runner.isAsExpected).toBe(true);
  });

  test("every command has one, and every command in one has its answer", () => {
    for (const { name } of COMMANDS) {
      expect(under(`### ${name}`), name).toContain("```apdu\n");
    }
    const unanswered = examples.flatMap(({ lines }) =>
      lines.filter((line, i) => isCommand(line) && lines[i + 1]?.item.kind !== "expect"),
    );
    expect(unanswered).toEqual([]);
  });
});

function isCommand({ item }: SessionLine): boolean {
  return item.kind === "apdu" || item.kind === "symbolic";
}

describe("the tables", () => {
  test.each(COMMANDS.map((entry) => [entry.name, entry] as const))("%s", (name, entry) => {
    expect(under(`### ${name}`)).toContain(commandBlock(entry));
  });

  test("no section is about a command that there is not", () => {
    const sections = ["## The card and the way to it", "## The owner's commands", "## Envelopes", "## Personalisation"];
    const headings = sections.flatMap(headingsUnder).filter((title) => title === title.toUpperCase());
    expect(headings.sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
  });

  test("data objects: each has its section, and no other has one", () => {
    for (const object of DATA_OBJECTS) expect(under(`### ${objectHeading(object)}`)).toContain(objectBlock(object));
    expect(headingsUnder("## Data objects")).toEqual(DATA_OBJECTS.map(objectHeading));
    const tags = new Set([...document.matchAll(/\bDF[01][0-9A-F]\b/g)].map(([tag]) => tag));
    expect([...tags].sort()).toEqual(DATA_OBJECTS.map(({ tag }) => hex16(tag)).sort());
  });

  test("records, messages, overview", () => {
    expect(under("## Records")).toContain(recordsBlock());
    expect(under("### Commands of the host")).toContain(hostCommandsBlock());
    expect(under("### Notices")).toContain(noticesBlock());
    expect(under("## Overview")).toContain(overviewBlock());
  });

  test("status words: all of the firmware's, and no other word is in the document", () => {
    expect(under("## Status words")).toContain(statusBlock());
    const ofFirmware = Object.entries(firmware).flatMap(([name, value]) => (name.startsWith("SW_") ? [value] : []));
    expect(STATUS_WORDS.map(({ word }) => word).sort()).toEqual([...ofFirmware].sort());
    const prose = document.replace(/```apdu\n.*?```/gs, "");
    for (const [word] of prose.matchAll(/\b(?:6[1-9A-F]|9[01])(?:[0-9A-F]{2}|xx|Cx)\b/g)) {
      const status = Number.parseInt(word.replaceAll("x", "0"), 16);
      const known = statusWord(status);
      expect(known === undefined ? undefined : patternOf(known), word).toBe(word);
    }
    for (const { word, mask } of STATUS_WORDS) expect(document).toContain(patternOf({ word, mask, meaning: "" }));
  });

  test("every instruction and tag of the firmware is in the tables", () => {
    const numbers = (prefix: string) =>
      Object.entries(firmware).flatMap(([name, value]) => (name.startsWith(prefix) ? [value] : []));
    expect(COMMANDS.map(({ ins }) => ins).sort()).toEqual([...numbers("INS_")].sort());
    expect(DATA_OBJECTS.map(({ tag }) => tag).sort()).toEqual([...numbers("TAG_")].sort());
    const p2 = (name: string) =>
      COMMANDS.find((each) => each.name === name)
        ?.forms.map((form) => form.p2)
        .sort();
    expect(p2("STORE DATA")).toEqual(numbers("STORE_DATA_").sort());
    expect(p2("READ RECORD")).toEqual(
      numbers("FILE_")
        .map((file) => (file << 3) | 4)
        .sort(),
    );
    const lives = numbers("LIFE_").filter((life) => life > firmware.LIFE_INITIALISED);
    expect(p2("SET STATUS")).toEqual(lives.sort());
  });
});
