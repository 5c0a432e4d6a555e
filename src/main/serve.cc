#include "main/serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "main/cli/terminal.h"
#include "main/installation.h"
#include "main/signals.h"
#include "observability/log/log.h"
#include "platform/process/child.h"

namespace atrium {
namespace {

using cli::tr;

Result<config::Settings> load_settings(const cli::Common& common, const ServeOptions& options) {
    config::LoadOptions load{common.config_file, common.environment, {}};
    for (const std::string& assignment : options.overrides) {
        const std::size_t equals = assignment.find('=');
        if (equals == std::string::npos) return fail(invalid_argument(fmt::format("--set needs section.key=value, not '{}'", assignment)));
        load.overrides[assignment.substr(0, equals)] = assignment.substr(equals + 1);
    }
    if (!options.listen.empty()) load.overrides["server.listen"] = options.listen;
    return config::load(load);
}

/// People at a terminal get readable lines unless the configuration says otherwise.
log::Options log_options(const config::Settings& settings) {
    log::Options options;
    options.level = log::parse_level(settings.log.level).value_or(log::Level::kInfo);
    options.format = settings.log.format == "json" && !cli::errors_are_terminal() ? log::Format::kJson : log::Format::kText;
    options.file = settings.log.file;
    return options;
}

/// The sample documents: in the source tree of a build, or beside an installed program.
std::string find_samples(const std::string& named) {
    if (!named.empty()) return named;
    const std::filesystem::path program = process::self_executable();
    const std::filesystem::path folder = program.parent_path();
    for (const char* candidate : {"../share/atrium/knowledge", "../../../examples/knowledge"}) {
        std::error_code error;
        const std::filesystem::path path = std::filesystem::canonical(folder / candidate, error);
        if (!error) return path.string();
    }
    return {};
}

void print_banner(const Installation& installation, const std::string& address, const config::Settings& settings) {
    const std::string key_file = (installation.home().directory() / "admin.key").string();
    const std::string& key = installation.new_admin_key();
    cli::print("");
    cli::print(fmt::format("  {}  {}", cli::bold("Atrium 中庭"), ATRIUM_VERSION));
    cli::print(fmt::format("  {:<12} {}", tr("console", "控制台"), cli::bold("http://" + address + "/")));
    // Standard output of a service is its journal, which more people read than admin.key.
    if (!key.empty() && ::isatty(STDOUT_FILENO) == 1) {
        cli::print(fmt::format("  {:<12} {}", tr("admin key", "管理密钥"), cli::bold(key)));
        cli::print(cli::dim(fmt::format("  {:<12} {} {}", "", tr("shown once; also in", "仅显示一次；也保存在"), key_file)));
    } else {
        cli::print(fmt::format("  {:<12} {} {}", tr("admin key", "管理密钥"), tr("in", "见"), key_file));
    }
    const std::string model = installation.model_names().empty() ? "MODEL" : installation.model_names().front();
    cli::print(fmt::format("  {:<12} curl http://{}/v1/chat/completions -H \"Authorization: Bearer $(cat {})\" \\", tr("try", "试一试"), address, key_file));
    cli::print(fmt::format("  {:<12}   -H 'Content-Type: application/json' \\", ""));
    cli::print(fmt::format("  {:<12}   -d '{{\"model\":\"{}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}'", "", model,
                           tr("What is the capital of France?", "法国的首都是哪里？")));
    if (installation.model_names().empty() && settings.upstreams.empty()) {
        cli::print("");
        cli::print(fmt::format("  {}", tr("No model is installed yet: atrium pull --default", "尚未安装模型：atrium pull --default")));
    }
    cli::print("");
    cli::print_raw("");
}

Task<> stop(Installation& installation) {
    co_await installation.stop();
    installation.runtime().stop();
}

/// Everything between start and the signal to stop, on io thread 0.
Task<> run(Installation& installation, Event& stop_requested) {
    constexpr std::chrono::milliseconds kPoll{100};
    const SteadyTime began = system_clock().steady();
    bool ready = false;
    while (!co_await stop_requested.wait(ready ? std::chrono::milliseconds(std::chrono::hours(1)) : kPoll)) {
        if (!ready && installation.not_ready().empty()) {
            ready = true;
            const auto took = std::chrono::duration<double>(system_clock().steady() - began).count();
            log::info("ready", {{"seconds", took}});
        }
    }
    log::info("stopping: finishing what runs");
    co_await stop(installation);
}

}  // namespace

int serve(const cli::Common& common, const ServeOptions& options) {
    Signals signals;
    const Result<config::Settings> settings = load_settings(common, options);
    if (!settings) return cli::report(settings.error());
    log::init(log_options(*settings));

    const auto key = common.environment.find("ATRIUM_ADMIN_KEY");
    Result<std::unique_ptr<Installation>> installation = Installation::open(
        {*settings, find_samples(options.samples), key == common.environment.end() ? std::string() : key->second,
         common.environment});
    if (!installation) {
        log::shutdown();
        return cli::report(installation.error());
    }
    const Result<std::string> address = (*installation)->listen();
    const Result<> started = address ? (*installation)->start() : std::unexpected<Error>(address.error());
    if (!started) {
        if (address) {  // engines and workers may run already
            spawn((*installation)->runtime().context(0), stop(**installation));
            (*installation)->runtime().run();
        }
        installation->reset();
        log::shutdown();
        return cli::report(started.error());
    }
    print_banner(**installation, *address, *settings);

    Event stop_requested;
    signals.deliver({[&] { stop_requested.set(); },
                     [&] {
                         if (stop_requested.is_set()) return;  // the installation is on its way out
                         const Result<config::Settings> fresh = load_settings(common, options);
                         const Result<> reloaded = fresh ? (*installation)->reload(*fresh) : std::unexpected<Error>(fresh.error());
                         if (!reloaded) {
                             return log::error("the new configuration has errors; the old one stays", {{"error", reloaded.error()}});
                         }
                         log::set_level(log::parse_level(fresh->log.level).value_or(log::Level::kInfo));
                         log::info("configuration read again: upstreams, aliases and log.level are in force, the rest needs a restart");
                     }});
    spawn((*installation)->runtime().context(0), run(**installation, stop_requested));
    (*installation)->runtime().run();
    if ((*installation)->has_stragglers()) {
        log::warning("ending with handlers still running", {});
        log::shutdown();
        std::_Exit(cli::kOk);
    }
    installation->reset();
    log::shutdown();
    return cli::kOk;
}

}  // namespace atrium
