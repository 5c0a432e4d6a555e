// `atrium parse` alone, as the executable that tests of parse_in_child run.
#include <string_view>

#include "data/documents/parser.h"

int main(int argc, char** argv) {
    const bool named = argc == 4 && std::string_view(argv[1]) == "parse" && std::string_view(argv[2]) == "--name";
    return atrium::data::run_parse_child(named ? argv[3] : "");
}
