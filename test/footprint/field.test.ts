/** The Cortex-M4's own products (hardware/boards/stm32f405/fe25519.c), on the core in QEMU. */

import { expect, test } from "vitest";
import { checkField } from "../hardware/field.js";
import { root } from "../support/firmware.js";
import { MEASURED_BOARDS, missingTools } from "./boards.js";

const missing = MEASURED_BOARDS.filter(({ name }) => name === "cortex-m4").flatMap(missingTools);
for (const sentence of missing) console.warn(sentence);

test.skipIf(missing.length > 0)(
  "products of the field are libsodium's, of any elements that it lets in",
  () => {
    expect(checkField(root)).toContain("libsodium's");
  },
  150_000,
);
