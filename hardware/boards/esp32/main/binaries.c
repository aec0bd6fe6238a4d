/* The applets as the build embeds them; the order is that of the elements. */

#include "wamr/binaries.h"

#include "wasm/applets.h"

#define EMBEDDED(NAME)                                                             \
  extern const uint8_t NAME##_start[] __asm__("_binary_" #NAME "_wasm_start"); \
  extern const uint8_t NAME##_end[] __asm__("_binary_" #NAME "_wasm_end")

EMBEDDED(money_module);
EMBEDDED(trusted_agent);
EMBEDDED(purse);

/* Numbers as in firmware/protocol/apdu.ts. */
const struct applet_binary applet_binaries[] = {
    {"money-module", 1, money_module_start, money_module_end},
    {"trusted-agent", 2, trusted_agent_start, trusted_agent_end},
    {"purse", 3, purse_start, purse_end},
};

const uint32_t applets_count = sizeof applet_binaries / sizeof applet_binaries[0];
