/* The HMAC peripheral with eFuse keys of this chip: each block's bytes are its number plus one. */

#include <string.h>

#include "esp_hmac.h"
#include "platform.generated.h"

esp_err_t esp_hmac_calculate(hmac_key_id_t key_id, const void *message, size_t message_len, uint8_t *hmac) {
  uint8_t key[TALLYSTICK_HASH_BYTES];
  if (message == NULL || hmac == NULL || key_id >= HMAC_KEY_MAX) return ESP_ERR_INVALID_ARG;
  memset(key, (int)key_id + 1, sizeof key);
  int32_t status = tallystick_hmac_sha256(key, sizeof key, message, (uint32_t)message_len, hmac, TALLYSTICK_HASH_BYTES);
  return status == 0 ? ESP_OK : ESP_FAIL;
}
