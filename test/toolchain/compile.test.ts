import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CompileRequest, compileIfStale, FirmwareCompileError } from "../../scripts/firmware/compile.js";
import { inspect } from "../../scripts/firmware/footprint.js";
import { root as projectRoot } from "../support/firmware.js";

const SAFE = "export const STEP: i32 = 1;\n";
const ENTRY =
  'import { STEP } from "./step";\nlet total: i32 = 0;\nexport function add(): i32 { return (total += STEP); }\n';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tallystick-compile-"));
  mkdirSync(join(root, "firmware/platform"), { recursive: true });
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  for (const path of ["asconfig.json", "firmware/platform/layout.ts"]) {
    cpSync(join(projectRoot, path), join(root, path));
  }
  write("firmware/step.ts", SAFE);
  write("firmware/entry.ts", ENTRY);
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  writeFileSync(join(root, path), text);
}

function request(target: CompileRequest["target"] = "release"): CompileRequest {
  return { root, entryPath: "firmware/entry.ts", outputPath: `build/entry.${target}.wasm`, target };
}

async function violationsOf(source: string, target: CompileRequest["target"] = "release"): Promise<readonly string[]> {
  write("firmware/entry.ts", source);
  await compileIfStale(request(target));
  return inspect(readFileSync(join(root, request(target).outputPath))).violations;
}

describe("compilation", () => {
  test("happens when an input changed, and only then", async () => {
    expect(await compileIfStale(request())).toBe(true);
    expect(await compileIfStale(request())).toBe(false);
    write("firmware/other.ts", SAFE);
    expect(await compileIfStale(request())).toBe(false);
    write("firmware/step.ts", "export const STEP: i32 = 2;\n");
    expect(await compileIfStale(request())).toBe(true);
    write("build/entry.release.wasm", "broken");
    expect(await compileIfStale(request())).toBe(true);
    expect(await compileIfStale(request("debug"))).toBe(true);
  });

  test("of wrong source fails with the compiler's words, every time", async () => {
    write("firmware/entry.ts", "export function wrong(): i32 { return absent; }\n");
    for (let i = 0; i < 2; i++) {
      const failure = await compileIfStale(request()).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(FirmwareCompileError);
      expect(String(failure)).toContain("Cannot find name 'absent'");
    }
  });

  test("refuses more static data than a page holds", async () => {
    write("firmware/entry.ts", "const a = memory.data(66000);\nexport function where(): usize { return a; }\n");
    await expect(compileIfStale(request())).rejects.toThrow(/Low memory limit/);
  });
});

describe("the footprint gate", () => {
  test("passes a clean applet and says what it takes", async () => {
    const source = "const a = memory.data(1000, 8);\nexport function where(): usize { return a; }\n";
    expect(await violationsOf(source)).toEqual([]);
    const wasm = readFileSync(join(root, request().outputPath));
    const { footprint } = inspect(wasm);
    expect(footprint).toEqual({
      wasmBytes: wasm.length,
      memoryBytes: 1008,
      start: false,
      growsMemory: false,
      importsAbort: false,
    });
  });

  test.each([
    [
      "a start section",
      "const a = new StaticArray<u8>(8);\nexport function f(): i32 { return a.length; }",
      /start section/,
    ],
    ["growing memory", "export function f(): i32 { return memory.grow(1); }", /memory\.grow/],
    ["an exported mutable global", "export let a: i32 = 0;\nexport function f(): void { a++; }", /mutable global a/],
    [
      "a global that WAMR takes for a stack",
      "let a: i32 = 7;\nexport function f(): i32 { return a++; }",
      /starts at 7/,
    ],
    [
      "a foreign import",
      '@external("env", "now") declare function now(): i32;\nexport function f(): i32 { return now(); }',
      /env\.now/,
    ],
  ])("refuses %s", async (_what, source, expected) => {
    expect((await violationsOf(source)).join("\n")).toMatch(expected);
  });

  test("refuses a debug build for its abort, which a release build does not import", async () => {
    const source = "export function f(a: i32): i32 { assert(a > 0); return a; }";
    expect(await violationsOf(source, "debug")).toContainEqual(expect.stringContaining("env.abort"));
    expect(await violationsOf(source)).toEqual([]);
  });

  test("sees memory.grow among every kind of instruction", async () => {
    const source = `
      export function f(a: i64, b: f64, c: f32, n: i32): i64 {
        let sum: i64 = a * 0x123456789abcdef;
        for (let i = 0; i < n; i++) {
          switch (i & 7) {
            case 0: sum += i64(b * 1.5); break;
            case 1: sum ^= i64(c + 2.5); break;
            case 2: memory.fill(64, u8(i), 16); break;
            case 3: memory.copy(96, 64, 16); break;
            case 4: store<i64>(64, sum, 8); break;
            case 5: sum += i64(i8(i)) - 1000000; break;
            case 6: sum += memory.size() + select<i32>(1, 2, i > 3); break;
            default: sum = rotl(sum, i64(i)) + clz(sum);
          }
        }
        GROW
        return sum;
      }`;
    expect(await violationsOf(source.replace("GROW", ""))).toEqual([]);
    expect(await violationsOf(source.replace("GROW", "memory.grow(n);"))).toEqual(["contains memory.grow"]);
  });

  test("refuses what is not WebAssembly, or is cut short", async () => {
    await compileIfStale(request());
    const wasm = readFileSync(join(root, request().outputPath));
    expect(() => inspect(wasm.subarray(0, wasm.length - 1))).toThrow(RangeError);
    expect(() => inspect(wasm.subarray(1))).toThrow();
  });
});
