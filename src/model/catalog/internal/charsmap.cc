#include "model/catalog/internal/charsmap.h"

// The array's place inside the vocabulary file, which tools/setup pins by sha256; convert_test checks the table's own
// hash.
#define CHARSMAP_OFFSET "6583983"
#define CHARSMAP_BYTES "237539"

asm(".section .rodata\n"
    ".balign 16\n"
    ".global atrium_xlm_roberta_charsmap\n"
    "atrium_xlm_roberta_charsmap:\n"
    ".incbin \"" ATRIUM_VOCAB_FILE "\", " CHARSMAP_OFFSET ", " CHARSMAP_BYTES
    "\n"
    ".global atrium_xlm_roberta_charsmap_end\n"
    "atrium_xlm_roberta_charsmap_end:\n"
    ".previous\n");

extern "C" {
extern const char atrium_xlm_roberta_charsmap[];
extern const char atrium_xlm_roberta_charsmap_end[];
}

namespace atrium::model {

std::string_view xlm_roberta_charsmap() {
    return {atrium_xlm_roberta_charsmap,
            static_cast<std::size_t>(atrium_xlm_roberta_charsmap_end - atrium_xlm_roberta_charsmap)};
}

}  // namespace atrium::model
