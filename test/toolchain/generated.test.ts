import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PLATFORM_FUNCTIONS } from "../../firmware/platform/interface.js";
import { camelCase, docComment, upperCase } from "../../scripts/generator/names.js";
import { generatedFiles } from "../../scripts/generator/outputs.js";
import { root } from "../support/firmware.js";

const HEADER_PATH = "hardware/platform.generated.h";

/** The part of WAMR's header that the symbol table needs; the types are those of its documentation. */
const WAMR_DECLARATIONS = `
typedef struct WASMExecEnv *wasm_exec_env_t;
typedef struct NativeSymbol { const char *symbol; void *func_ptr; const char *signature; void *attachment; } NativeSymbol;
`;

function headerText(): string {
  return generatedFiles().find(({ path }) => path === HEADER_PATH)?.text ?? "";
}

test("names are spelled as each language spells them", () => {
  expect(camelCase("flash_page_size")).toBe("flashPageSize");
  expect(camelCase("hmac_sha256")).toBe("hmacSha256");
  expect(upperCase("InvalidArgument")).toBe("INVALID_ARGUMENT");
  expect(upperCase("Ed25519")).toBe("ED25519");
});

test("doc comments are folded and keep every word", () => {
  const text = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
  const comment = docComment(text, "  ");
  expect(comment.split("\n").every((line) => line.length <= 120)).toBe(true);
  expect(comment.match(/word\d+/g)).toEqual(text.split(" "));
});

test.each(generatedFiles())("$path is what the interface says", ({ path, text }) => {
  expect(readFileSync(join(root, path), "utf8")).toBe(text);
});

describe("every function of the interface", () => {
  test.each(PLATFORM_FUNCTIONS)("$name is in every language, with its arguments", ({ name, parameters }) => {
    const texts = Object.fromEntries(generatedFiles().map(({ path, text }) => [path, text]));
    expect(texts["firmware/platform/imports.ts"]).toContain(`@external("tallystick", "${name}")`);
    expect(texts["simulator/platform.generated.ts"]).toContain(`  ${camelCase(name)}(`);
    const signature = parameters.map(({ kind }) => (kind === "u32" ? "i" : "*~")).join("");
    expect(texts[HEADER_PATH]).toContain(`{"${name}", (void *)tallystick_wamr_${name}, "(${signature})i", NULL}`);
  });
});

const hasCompiler = spawnSync("gcc", ["--version"]).status === 0;

test.skipIf(!hasCompiler)("the header compiles, alone and with the symbol table", () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-header-"));
  try {
    writeFileSync(join(folder, "platform.generated.h"), headerText());
    writeFileSync(join(folder, "wasm_export.h"), WAMR_DECLARATIONS);
    const sources = {
      "alone.c":
        '#include "platform.generated.h"\nint32_t f(void) { return TALLYSTICK_BAD_TAG + TALLYSTICK_KEY_BYTES; }\n',
      "table.c":
        '#define TALLYSTICK_WAMR\n#include "platform.generated.h"\n' +
        '_Static_assert(sizeof tallystick_symbols / sizeof tallystick_symbols[0] == TALLYSTICK_SYMBOLS_COUNT, "count");\n' +
        "NativeSymbol *symbols(void) { return tallystick_symbols; }\n",
    };
    for (const [name, text] of Object.entries(sources)) {
      writeFileSync(join(folder, name), text);
      const options = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-c", name, "-o", `${name}.o`];
      execFileSync("gcc", options, { cwd: folder, stdio: "pipe" });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
