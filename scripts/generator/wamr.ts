/**
 * Writes the platform's functions as WAMR knows them: `hardware/wamr/imports.generated.c`. Each goes through the binding that code of
 * wasm2c has (wasm2c.ts), so that the same checks stand before the platform under either.
 */

import { PLATFORM_FUNCTIONS, PLATFORM_MODULE, type PlatformFunction } from "../../firmware/platform/interface.js";
import { list, NOTICE } from "./names.js";

const IMPORT = `w2c_${PLATFORM_MODULE}_`;

function argumentCount({ parameters }: PlatformFunction): number {
  return parameters.reduce((count, { kind }) => count + (kind === "u32" ? 1 : 2), 0);
}

function callText(declared: PlatformFunction): string {
  const count = argumentCount(declared);
  const values = Array.from({ length: count }, (_, i) => `(uint32_t)cells[${i}]`);
  const unused = count === 0 ? "  (void)cells;\n" : "";
  const call = list(`  return ${IMPORT}${declared.name}`, ["applet", ...values], ";");
  return `static uint32_t call_${declared.name}(struct w2c_tallystick *applet, const uint64_t *cells) {\n${unused}${call}\n}\n`;
}

function prototypeText(declared: PlatformFunction): string {
  const values = Array.from({ length: argumentCount(declared) }, () => "uint32_t");
  return `${list(`uint32_t ${IMPORT}${declared.name}`, ["struct w2c_tallystick *", ...values], ";")}\n`;
}

function entryText(declared: PlatformFunction): string {
  return `    {call_${declared.name}},\n`;
}

function symbolText(declared: PlatformFunction, index: number): string {
  const signature = `(${"i".repeat(argumentCount(declared))})i`;
  return `    {"${declared.name}", (void *)wamr_import, "${signature}", &imports[${index}]},\n`;
}

export function wamrSource(): string {
  return `/* ${NOTICE} */
#include "wamr/imports.h"

${PLATFORM_FUNCTIONS.map(prototypeText).join("")}
${PLATFORM_FUNCTIONS.map(callText).join("\n")}
static struct wamr_import imports[] = {
${PLATFORM_FUNCTIONS.map(entryText).join("")}};

NativeSymbol wamr_symbols[] = {
${PLATFORM_FUNCTIONS.map(symbolText).join("")}};

const uint32_t wamr_symbols_count = sizeof wamr_symbols / sizeof wamr_symbols[0];
`;
}
