import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Chip } from "../../simulator/chip.js";
import { ElementFolder, ElementFolderError } from "../../simulator/element-folder.js";
import { KeyKind } from "../../simulator/platform.generated.js";
import { root, testChip } from "../support/firmware.js";

const GEOMETRY = { pageSizeBytes: 4096, pageCount: 2, wordSizeBytes: 4 };
const WORD = Uint8Array.of(1, 2, 3, 4);

let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "tallystick-"));
});

afterEach(() => {
  rmSync(path, { recursive: true, force: true });
});

function open(): { folder: ElementFolder; chip: Chip } {
  const folder = new ElementFolder(path, GEOMETRY);
  const { flashStorage, registerStorage } = folder;
  return { folder, chip: testChip("folder", { geometry: GEOMETRY, flashStorage, registerStorage }) };
}

function wordAt(chip: Chip, address: number): Uint8Array {
  const word = new Uint8Array(4);
  expect(chip.flashRead(address, word)).toBe(0);
  return word;
}

describe("an element in a folder", () => {
  test("is the same when it is opened again", () => {
    const first = open();
    const [before, after] = [new Uint8Array(32), new Uint8Array(32)];
    first.chip.flashProgram(8, WORD);
    first.chip.flashProgram(4096, WORD);
    first.chip.flashErase(1);
    first.chip.slotGenerate(2, KeyKind.Ed25519);
    first.chip.slotGenerate(16, KeyKind.Secret);
    first.chip.slotPublic(2, before);
    first.chip.counterIncrement();
    first.folder.close();
    const second = open();
    expect(wordAt(second.chip, 8)).toEqual(WORD);
    expect(wordAt(second.chip, 4096)).toEqual(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    expect(second.chip.flash.erasures(1)).toBe(1);
    expect(second.chip.slotPublic(2, after)).toBe(0);
    expect(after).toEqual(before);
    expect(second.chip.slotKind(16)).toBe(KeyKind.Empty);
    expect(second.chip.counterRead()).toBe(1);
    second.folder.close();
    expect(readdirSync(path).sort()).toEqual(["flash.bin", "keys.bin"]);
  });

  test("takes back a snapshot", () => {
    const { folder, chip } = open();
    chip.flashProgram(0, WORD);
    const state = chip.snapshot();
    chip.flashErase(0);
    chip.slotPut(0, new Uint8Array(32));
    chip.restore(state);
    folder.close();
    const again = open();
    expect(wordAt(again.chip, 0)).toEqual(WORD);
    expect(again.chip.slotKind(0)).toBe(KeyKind.Empty);
    again.folder.close();
  });

  test("is open in one place at a time", () => {
    const { folder } = open();
    expect(() => open()).toThrow(ElementFolderError);
    folder.close();
    open().folder.close();
  });

  test("with flash of another geometry is refused, and stays free", () => {
    open().folder.close();
    expect(() => new ElementFolder(path, { ...GEOMETRY, pageCount: 3 })).toThrow(ElementFolderError);
    open().folder.close();
  });

  test("with a file of keys that are not a chip's is refused", () => {
    const { folder } = open();
    writeFileSync(join(path, "keys.bin"), "short");
    const parts = { geometry: GEOMETRY, flashStorage: folder.flashStorage, registerStorage: folder.registerStorage };
    expect(() => testChip("folder", parts)).toThrow(RangeError);
    folder.close();
  });
});

/** Programs a word after the other, makes keys between them, and says what is done once it is done. */
const WRITER = `
const [folderPath, modules] = process.argv.slice(2);
const load = (name) => import(modules + "/simulator/" + name + ".js");
const { ElementFolder } = await load("element-folder");
const { Chip } = await load("chip");
const { sodiumCryptography } = await load("sodium");
const { SeededRandomness } = await load("randomness");
const { VirtualClock } = await load("time");
const geometry = ${JSON.stringify(GEOMETRY)};
const { flashStorage, registerStorage } = new ElementFolder(folderPath, geometry);
const randomness = new SeededRandomness(sodiumCryptography, "writer");
const chip = new Chip({ cryptography: sodiumCryptography, randomness, clock: new VirtualClock(), geometry, flashStorage, registerStorage });
for (let address = 0; address < 8192; address += 4) {
  if (chip.flashProgram(address, Uint8Array.of(address & 255, address >> 8, 0, 0)) !== 0) throw new Error("program");
  const count = chip.counterIncrement();
  process.stdout.write(address + " " + count + "\\n");
  await new Promise((resolve) => setImmediate(resolve));
}
`;

test("a process that is killed loses nothing that was programmed", async () => {
  const modules = join(root, "build/test-dist");
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const options = ["-p", "tsconfig.build.json", "--outDir", modules, "--noCheck", "--incremental", "false"];
  const withoutRecord = [...options, "--tsBuildInfoFile", "null", "--declaration", "false", "--sourceMap", "false"];
  const built = spawnSync(process.execPath, [compiler, ...withoutRecord], { cwd: root, encoding: "utf8" });
  expect(built.stdout).toBe("");
  const writerPath = join(root, "build/test-dist/writer.mjs");
  writeFileSync(writerPath, WRITER);
  const child = spawn(process.execPath, [writerPath, path, pathToFileURL(modules).href], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let [lastAddress, lastCount, lines] = [-1, -1, 0];
  for await (const line of createInterface({ input: child.stdout })) {
    [lastAddress, lastCount] = line.split(" ").map(Number) as [number, number];
    if (++lines === 100) child.kill("SIGKILL");
  }
  expect(await exited).toEqual([null, "SIGKILL"]);
  expect(lines).toBeGreaterThanOrEqual(100);
  expect(lines).toBeLessThan(2048);
  const { folder, chip } = open();
  for (let address = 0; address <= lastAddress; address += 4) {
    expect(wordAt(chip, address)).toEqual(Uint8Array.of(address & 255, address >> 8, 0, 0));
  }
  expect(chip.counterRead()).toBeGreaterThanOrEqual(lastCount);
  expect(chip.counterRead()).toBeLessThanOrEqual(lastCount + 1);
  folder.close();
});
