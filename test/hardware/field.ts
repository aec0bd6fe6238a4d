/** The Cortex-M4's own products (hardware/boards/stm32f405/fe25519.c) beside libsodium's, on the core in QEMU (field/field-test.c). */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { boardOf } from "../../scripts/hardware/boards.js";
import { LIBSODIUM_DEFINES, libsodium } from "../../scripts/hardware/libsodium.js";
import { run } from "../../scripts/hardware/run.js";
import { Difference } from "./session.js";

const BOARD = "cortex-m4";
/** Of libsodium, what has products and what that calls. */
const FIELD = /(?:ed25519_ref10|verify|utils)\.c$/;
const OWN = ["boards/stm32f405/startup.c", "boards/stm32f405/fe25519.c", "boards/qemu/semihosting.c"];
/** Some seconds are enough; a chip that was led astray may run for ever. */
const TIMEOUT_MS = 120_000;

function buildTest(root: string): string {
  const { compiler, flags, linkFlags, sodiumFlags = [] } = boardOf(BOARD, {});
  const { sources, include, ownInclude } = libsodium(root);
  const folder = join(root, "build/hardware/field-test");
  mkdirSync(folder, { recursive: true });
  const image = join(folder, "field-test.elf");
  const headers = [`-I${include}`, `-I${ownInclude}`, `-I${join(root, "hardware")}`];
  const own = OWN.map((name) => join(root, "hardware", name));
  const field = sources.filter((source) => FIELD.test(basename(source)));
  const all = [join(root, "test/hardware/field/field-test.c"), ...own, ...field];
  // Once each: the compiler takes no --specs twice.
  const options = new Set([...flags, ...linkFlags]);
  run(compiler, [...options, "-w", ...LIBSODIUM_DEFINES, ...sodiumFlags, ...headers, ...all, "-o", image], root);
  return image;
}

/** A sentence about it. */
export function checkField(root: string): string {
  const machine = ["-M", "netduinoplus2", "-kernel", buildTest(root), "-display", "none", "-monitor", "none"];
  const values = [...machine, "-serial", "null", "-semihosting-config", "enable=on,target=native"];
  const { status, signal, stderr } = spawnSync("qemu-system-arm", values, { encoding: "utf8", timeout: TIMEOUT_MS });
  if (status !== 0) throw new Difference(`products of the field: ${stderr.trim()} (QEMU: ${status ?? signal})`);
  return "products and squares of the field: libsodium's, of any elements that it lets in";
}
