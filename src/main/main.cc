#include <CLI/CLI.hpp>
#include <unistd.h>

#include <exception>
#include <map>
#include <string>
#include <vector>

#include "data/documents/parser.h"
#include "main/cli/completion.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"
#include "main/serve.h"
#include "model/engine/engine_process.h"

/// The command line: which verb, with which options. What a verb does is in cli/ (clients of the HTTP API), serve.cc (the
/// composition root), or in the room whose child process it is (engine, parse).
namespace {

using atrium::cli::Common;

std::map<std::string, std::string> process_environment() {
    std::map<std::string, std::string> variables;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        if (const std::size_t equals = text.find('='); equals != std::string::npos) {
            variables[text.substr(0, equals)] = text.substr(equals + 1);
        }
    }
    return variables;
}

/// Everything the parser may fill; only what belongs to the chosen verb is read.
struct Arguments {
    Common common;
    atrium::ServeOptions serve;
    std::string parse_name;
    std::string model;
    std::string system;
    std::string base;
    std::string text;
    std::string name;
    std::string project = "proj_default";
    std::vector<std::string> words;
    int limit = 5;
    int max_tokens = 0;
    int grace_seconds = 0;
    bool admin = false;
    bool defaults = false;
};

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

/// The way to a verb's function: chosen by the parser, run afterwards, so that errors in it are not parser errors.
using Action = std::function<int(Arguments&)>;

CLI::App* verb(CLI::App& parent, Action& chosen, const std::string& name, const std::string& help, Action action) {
    CLI::App* app = parent.add_subcommand(name, help);
    app->callback([&chosen, action = std::move(action)] { chosen = action; });
    return app;
}

void add_server_verbs(CLI::App& app, Arguments& a, Action& chosen) {
    using atrium::cli::tr;
    auto* serve = verb(app, chosen, "serve", std::string(tr("run the server", "启动服务")), [](Arguments& x) { return atrium::serve(x.common, x.serve); });
    serve->add_option("--listen", a.serve.listen, "address:port");
    serve->add_option("--set", a.serve.overrides, "section.key=value");
    serve->add_option("--samples", a.serve.samples, "folder of the sample knowledge base");

    app.add_subcommand("engine", std::string(tr("serve one local model (used by serve)", "运行单个本地模型（由 serve 调用）")));

    auto* parse = verb(app, chosen, "parse", "", [](Arguments& x) { return atrium::data::run_parse_child(x.parse_name); });
    parse->group("");  // hidden: a child process of serve
    parse->add_option("--name", a.parse_name);
}

void add_question_verbs(CLI::App& app, Arguments& a, Action& chosen) {
    namespace cli = atrium::cli;
    using cli::tr;
    auto* chat = verb(app, chosen, "chat", std::string(tr("talk to a model", "与模型对话")),
                      [](Arguments& x) { return cli::chat(x.common, x.model, joined(x.words), x.system, x.max_tokens); });
    chat->add_option("-m,--model", a.model, "model name");
    chat->add_option("--system", a.system, "system prompt");
    chat->add_option("--max-tokens", a.max_tokens, "longest answer");
    chat->add_option("prompt", a.words, "what to say; without it, a conversation");

    auto* ask = verb(app, chosen, "ask", std::string(tr("ask a knowledge base and get a cited answer", "向知识库提问，答案附引用")),
                     [](Arguments& x) { return cli::ask(x.common, x.base, joined(x.words)); });
    ask->add_option("--kb", a.base, "knowledge base, by name or id");
    ask->add_option("question", a.words, "")->required();

    auto* search = verb(app, chosen, "search", std::string(tr("find passages in a knowledge base", "在知识库中检索段落")),
                        [](Arguments& x) { return cli::search(x.common, x.base, joined(x.words), x.limit); });
    search->add_option("--kb", a.base, "knowledge base, by name or id");
    search->add_option("-n,--limit", a.limit, "number of results")->check(CLI::Range(1, 50));
    search->add_option("query", a.words, "")->required();

    auto* ingest = verb(app, chosen, "ingest", std::string(tr("add files or folders to a knowledge base", "将文件或目录导入知识库")),
                        [](Arguments& x) { return cli::ingest(x.common, x.base, x.words); });
    ingest->add_option("--kb", a.base, "knowledge base, by name or id; created when there is none of that name");
    ingest->add_option("paths", a.words, "files or folders")->required();
}

void add_management_verbs(CLI::App& app, Arguments& a, Action& chosen) {
    namespace cli = atrium::cli;
    using cli::tr;
    CLI::App* kb = app.add_subcommand("kb", std::string(tr("knowledge bases", "知识库")))->require_subcommand(1);
    verb(*kb, chosen, "list", "", [](Arguments& x) { return cli::kb_list(x.common); });
    verb(*kb, chosen, "create", "", [](Arguments& x) { return cli::kb_create(x.common, x.name); })->add_option("name", a.name)->required();
    verb(*kb, chosen, "delete", "", [](Arguments& x) { return cli::kb_delete(x.common, x.name); })->add_option("base", a.name)->required();

    CLI::App* keys = app.add_subcommand("keys", std::string(tr("API keys", "API 密钥")))->require_subcommand(1);
    keys->add_option("--project", a.project, "project id");
    verb(*keys, chosen, "list", "", [](Arguments& x) { return cli::keys_list(x.common, x.project); });
    auto* create = verb(*keys, chosen, "create", "", [](Arguments& x) { return cli::keys_create(x.common, x.project, x.name, x.admin); });
    create->add_option("name", a.name)->required();
    create->add_flag("--admin", a.admin, "may manage projects and keys");
    verb(*keys, chosen, "revoke", "", [](Arguments& x) { return cli::keys_revoke(x.common, x.project, x.name); })->add_option("id", a.name)->required();

    auto* rotate = verb(*keys, chosen, "rotate", "", [](Arguments& x) { return cli::keys_rotate(x.common, x.name, x.grace_seconds); });
    rotate->add_option("id", a.name)->required();
    rotate->add_option("--grace", a.grace_seconds, "seconds for which the old secret works too")->check(CLI::Range(0, 2'592'000));

    CLI::App* audit = app.add_subcommand("audit", std::string(tr("the log of administrative changes", "管理操作审计日志")))->require_subcommand(1);
    verb(*audit, chosen, "verify", std::string(tr("whether it is whole", "校验完整性")), [](Arguments& x) { return cli::audit_verify(x.common, x.name); })
        ->add_option("--file", a.name, "an exported file instead of the server");
    verb(*audit, chosen, "export", std::string(tr("all records with their hashes, one JSON object per line", "导出全部记录及哈希,每行一个 JSON")),
         [](Arguments& x) { return cli::audit_export(x.common); });

    CLI::App* projects = app.add_subcommand("projects", std::string(tr("projects", "项目")))->require_subcommand(1);
    verb(*projects, chosen, "list", "", [](Arguments& x) { return cli::projects_list(x.common); });
    verb(*projects, chosen, "create", "", [](Arguments& x) { return cli::projects_create(x.common, x.name); })->add_option("name", a.name)->required();

    auto* pull = verb(app, chosen, "pull", std::string(tr("download a model and install it", "下载并安装模型")),
                      [](Arguments& x) { return cli::models_pull(x.common, x.words, x.defaults); });
    pull->add_option("models", a.words, "names from the catalog");
    pull->add_flag("--default", a.defaults, "the models a new installation starts with");
    verb(app, chosen, "list", std::string(tr("installed models", "已安装的模型")), [](Arguments& x) { return cli::models_list(x.common); });
    verb(app, chosen, "show", std::string(tr("one model in detail", "查看模型详情")), [](Arguments& x) { return cli::models_show(x.common, x.name); })
        ->add_option("model", a.name)->required();
    verb(app, chosen, "rm", std::string(tr("remove a model", "删除模型")), [](Arguments& x) { return cli::models_remove(x.common, x.name); })
        ->add_option("model", a.name)->required();

    CLI::App* config = app.add_subcommand("config", std::string(tr("the configuration", "配置")))->require_subcommand(1);
    verb(*config, chosen, "check", "", [](Arguments& x) { return cli::config_check(x.common); });
    verb(*config, chosen, "explain", "", [](Arguments& x) { return cli::config_explain(x.common, x.name); })->add_option("key", a.name, "only keys that start so");
    verb(app, chosen, "doctor", std::string(tr("find out what is wrong", "诊断问题")), [](Arguments& x) { return cli::doctor(x.common); });
    verb(app, chosen, "version", "", [](Arguments& x) { return cli::version(x.common); });
    verb(app, chosen, "completion", std::string(tr("shell completion: bash, zsh or fish", "命令补全：bash、zsh 或 fish")),
         [&app](Arguments& x) { return cli::completion(app, x.name); })->add_option("shell", a.name)->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

/// `atrium engine` is a child process with its own arguments, declared in its own room.
int run_engine(int argc, char** argv) {
    const auto options = atrium::model::parse_engine_arguments({argv + 2, argv + argc});
    if (!options) {
        atrium::cli::report(options.error());
        return atrium::cli::kUsage;
    }
    return atrium::model::run_engine(*options);
}

}  // namespace

int main(int argc, char** argv) {
    using atrium::cli::tr;
    if (argc > 1 && std::string_view(argv[1]) == "engine") return run_engine(argc, argv);
    Arguments arguments;
    arguments.common.environment = process_environment();
    Action chosen;
    CLI::App app(std::string(tr("Atrium — the self-hosted AI platform", "Atrium 中庭 — 自托管 AI 平台")), "atrium");
    app.require_subcommand(1);
    app.fallthrough();
    app.add_flag("--json", arguments.common.json, "machine-readable output");
    app.add_option("--url", arguments.common.url, "server (default ATRIUM_URL, http://127.0.0.1:8080)");
    app.add_option("--key", arguments.common.key, "API key (default ATRIUM_API_KEY)");
    app.add_option("-c,--config", arguments.common.config_file, "configuration file");
    add_server_verbs(app, arguments, chosen);
    add_question_verbs(app, arguments, chosen);
    add_management_verbs(app, arguments, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? atrium::cli::kOk : atrium::cli::kUsage;
    }
    try {
        return chosen(arguments);
    } catch (const std::exception& error) {
        return atrium::cli::report(atrium::internal_error(error.what()));
    }
}
