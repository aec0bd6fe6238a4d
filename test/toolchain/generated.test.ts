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
    expect(texts[HEADER_PATH]).toContain(`int32_t tallystick_${name}(`);
    const signature = parameters.map(({ kind }) => (kind === "u32" ? "i" : "ii")).join("");
    expect(texts["hardware/wamr/imports.generated.c"]).toContain(
      `{"${name}", (void *)wamr_import, "(${signature})i", `,
    );
  });
});

const hasCompiler = spawnSync("gcc", ["--version"]).status === 0;

test.skipIf(!hasCompiler)("the header compiles alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-header-"));
  try {
    writeFileSync(join(folder, "platform.generated.h"), headerText());
    const text =
      '#include "platform.generated.h"\nint32_t f(void) { return TALLYSTICK_BAD_TAG + TALLYSTICK_KEY_BYTES; }\n';
    writeFileSync(join(folder, "alone.c"), text);
    const options = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-c", "alone.c", "-o", "alone.o"];
    execFileSync("gcc", options, { cwd: folder, stdio: "pipe" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
