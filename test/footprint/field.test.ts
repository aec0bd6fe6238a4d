/** The Cortex-M4's own products (hardware/boards/stm32f405/fe25519.c), on the core in QEMU. */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { boardOf } from "../../scripts/hardware/boards.js";
import { libsodium } from "../../scripts/hardware/libsodium.js";
import { run } from "../../scripts/hardware/run.js";
import { root } from "../support/firmware.js";
import { MEASURED_BOARDS, missingTools } from "./boards.js";

const CORTEX_M4 = "cortex-m4";
const missing = MEASURED_BOARDS.filter(({ name }) => name === CORTEX_M4).flatMap(missingTools);
for (const sentence of missing) console.warn(sentence);

function buildTest(): string {
  const { compiler, flags, linkFlags, sodiumFlags = [] } = boardOf(CORTEX_M4, {});
  const { sources, include, ownInclude } = libsodium(root);
  const folder = join(root, "build/hardware/field-test");
  mkdirSync(folder, { recursive: true });
  const field = sources.filter((source) => /(?:ed25519_ref10|verify|utils)\.c$/.test(basename(source)));
  const own = ["boards/stm32f405/startup.c", "boards/netduinoplus2/serial.c", "boards/stm32f405/fe25519.c"];
  const shared = [...own, "boards/qemu/semihosting.c"].map((name) => join(root, "hardware", name));
  const headers = [`-I${include}`, `-I${ownInclude}`, `-I${join(root, "hardware")}`];
  const image = join(folder, "field-test.elf");
  const defines = ["-DCONFIGURED=1", "-DNATIVE_LITTLE_ENDIAN=1", "-DSODIUM_STATIC=1", "-DHAVE_WEAK_SYMBOLS=1"];
  const all = [join(root, "test/hardware/field/field-test.c"), ...shared, ...field];
  // Once each: the compiler takes no --specs twice.
  const options = new Set([...flags, ...linkFlags]);
  run(compiler, [...options, "-w", ...defines, ...sodiumFlags, ...headers, ...all, "-o", image], root);
  return image;
}

test.skipIf(missing.length > 0)(
  "products of the field are libsodium's, of any elements that it lets in",
  () => {
    const machine = ["-M", "netduinoplus2", "-kernel", buildTest(), "-display", "none", "-monitor", "none"];
    const values = [...machine, "-serial", "null", "-semihosting-config", "enable=on,target=native"];
    const { status, stderr } = spawnSync("qemu-system-arm", values, { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "products are right\n" });
  },
  60_000,
);
