/** Writes what a board implements: `hardware/platform.generated.h`. */

import {
  KEY_KINDS,
  type Parameter,
  PLATFORM_ERRORS,
  PLATFORM_FUNCTIONS,
  PLATFORM_MODULE,
  PLATFORM_SIZES,
  type PlatformFunction,
} from "../../firmware/platform/interface.js";
import { docComment, list, NOTICE, upperCase } from "./names.js";

const PREFIX = `${PLATFORM_MODULE}_`;

function define(name: string, value: number, doc: string): string {
  return `#define ${PREFIX.toUpperCase()}${name} (${value}) /* ${doc} */\n`;
}

function parameterText(parameter: Parameter): string[] {
  if (parameter.kind === "u32") return [`uint32_t ${parameter.name}`];
  const constness = parameter.kind === "in" ? "const " : "";
  return [`${constness}uint8_t *${parameter.name}`, `uint32_t ${parameter.name}_length`];
}

function prototypeText(declared: PlatformFunction): string {
  const tags = declared.parameters.map((parameter) => {
    const exact = parameter.bytes === undefined ? "" : ` (${parameter.bytes} bytes)`;
    return `@param ${parameter.name} ${parameter.doc}${exact}`;
  });
  const parameters = declared.parameters.flatMap(parameterText);
  const prototype = list(`int32_t ${PREFIX}${declared.name}`, parameters.length === 0 ? ["void"] : parameters, ";");
  return `${docComment(declared.doc, "", [...tags, `@return ${declared.result}`])}${prototype}\n`;
}

export function headerText(): string {
  const constants = [
    ...PLATFORM_ERRORS.map(({ name, value, doc }) => define(upperCase(name), value, doc)),
    ...KEY_KINDS.map(({ name, value, doc }) => define(`KEY_KIND_${upperCase(name)}`, value, doc)),
    ...PLATFORM_SIZES.map(({ name, value, doc }) => define(name, value, doc)),
  ].join("");
  return `/* ${NOTICE} */
#ifndef TALLYSTICK_PLATFORM_H
#define TALLYSTICK_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#define TALLYSTICK_MODULE "${PLATFORM_MODULE}"

${constants}
${PLATFORM_FUNCTIONS.map(prototypeText).join("\n")}
#endif
`;
}
