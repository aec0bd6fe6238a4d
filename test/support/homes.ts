/** Homes in folders for tests of the command line: one that version 1 made, which costs nothing to unpack. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { vi } from "vitest";
import { run } from "../../host/cli/program.js";

const FIXTURE = new URL("../fixtures/home-version-1.json.gz", import.meta.url);

/** The home as version 1 left it, with its chips, books and money. */
export function unpackHome(folder: string): void {
  const files = JSON.parse(gunzipSync(readFileSync(FIXTURE)).toString()) as Record<string, string>;
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), Buffer.from(text, "base64"));
  }
}

/** Every file of a folder and what is in it. */
export function contentsOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    names
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, "base64")]),
  );
}

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process as the shell would, and collects what it prints. */
export async function tally(...words: string[]): Promise<Printed> {
  let out = "";
  let err = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  const complain = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
  const codeBefore = process.exitCode;
  process.exitCode = undefined;
  try {
    const code = await run(words);
    return { code, out, err };
  } finally {
    process.exitCode = codeBefore;
    write.mockRestore();
    complain.mockRestore();
  }
}
