#include "main/cli/completion.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "main/cli/terminal.h"

namespace atrium::cli {
namespace {

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
    std::vector<const CLI::App*> verbs;
    for (const CLI::App* sub : app.get_subcommands({})) {
        if (!sub->get_group().empty()) verbs.push_back(sub);
    }
    return verbs;
}

std::string words(const CLI::App& app) {
    std::string out;
    for (const CLI::App* sub : verbs_of(app)) out += sub->get_name() + " ";
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) out += "--" + name + " ";
    }
    return out;
}

void print_bash(const CLI::App& app) {
    print("_atrium() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words");
    print("  case \"${COMP_WORDS[1]}\" in");
    for (const CLI::App* sub : verbs_of(app)) print(fmt::format("    {}) words='{}' ;;", sub->get_name(), words(*sub)));
    print(fmt::format("    *) words='{}' ;;\n  esac", words(app)));
    print("  [ \"$COMP_CWORD\" = 1 ] && words='" + words(app) + "'");
    print("  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _atrium atrium");
}

}  // namespace

int completion(const CLI::App& app, const std::string& shell) {
    if (shell == "fish") {
        for (const CLI::App* sub : verbs_of(app)) {
            print(fmt::format("complete -c atrium -n __fish_use_subcommand -a {} -d '{}'", sub->get_name(), sub->get_description()));
            for (const CLI::App* nested : verbs_of(*sub)) {
                print(fmt::format("complete -c atrium -n '__fish_seen_subcommand_from {}' -a {}", sub->get_name(), nested->get_name()));
            }
        }
        return kOk;
    }
    if (shell == "zsh") print("autoload -U +X bashcompinit && bashcompinit");
    print_bash(app);
    return kOk;
}

}  // namespace atrium::cli
