#include <fmt/format.h>

#include <algorithm>

#include "config/settings.h"
#include "main/cli/terminal.h"
#include "main/cli/verbs.h"
#include "model/catalog/default_catalog.h"
#include "model/catalog/model_store.h"
#include "model/catalog/pull.h"
#include "platform/async/runtime.h"

namespace atrium::cli {
namespace {

model::ModelStore open_store(const Common& common) {
    return model::ModelStore(machine_fs(), Path(config::default_home(common.environment)) / "models");
}

std::string_view phase_text(model::PullProgress::Phase phase) {
    using Phase = model::PullProgress::Phase;
    switch (phase) {
        case Phase::kConnecting: return tr("connecting", "正在连接");
        case Phase::kDownloading: return tr("downloading", "正在下载");
        case Phase::kVerifying: return tr("verifying", "正在校验");
        case Phase::kConverting: return tr("converting", "正在转换");
        case Phase::kInstalled: return tr("installed", "已安装");
    }
    return "";
}

/// One model with its progress bar. `client` and `pool` outlive the task.
Task<Result<model::InstalledModel>> pull_one(model::Puller& puller, model::CatalogEntry entry, ProgressBar& bar) {
    const auto draw = [&bar](const model::PullProgress& progress) {
        bar.update(progress.done, progress.total, progress.note.empty() ? phase_text(progress.phase) : std::string_view(progress.note));
    };
    co_return co_await puller.pull(std::move(entry), draw);
}

}  // namespace

int models_pull(const Common& common, const std::vector<std::string>& names, bool defaults) {
    std::vector<std::string> wanted = names;
    if (defaults) wanted.insert(wanted.end(), model::default_models().begin(), model::default_models().end());
    if (wanted.empty()) {
        std::string known;
        for (const model::CatalogEntry& entry : model::catalog()) known += fmt::format("\n  {:<24} {}", entry.name, entry.description);
        report(invalid_argument(fmt::format("{}{}", tr("name a model, hf://owner/name/file.gguf, or a GGUF file; the catalog has:",
                                                       "请指定模型名、hf://owner/name/file.gguf 或 GGUF 文件；目录中有："), known)));
        return kUsage;
    }
    model::ModelStore store = open_store(common);
    http::Client client;
    ThreadPool pool("pull", 2);
    model::Puller puller(store, client, pool, system_clock(), model::PullOptions::from_environment(common.environment));
    for (const std::string& name : wanted) {
        const Result<model::CatalogEntry> entry = model::find_entry(name);
        if (!entry) return report(entry.error());
        const auto installed = store.find(fmt::format("{}@{}", entry->name, entry->version));
        if (installed && store.check(*installed)) {
            if (!common.json) print(fmt::format("{} {} {}", green("✓"), entry->name, dim(tr("is installed", "已安装"))));
            continue;
        }
        ProgressBar bar(entry->name);
        const Result<model::InstalledModel> pulled = run_blocking(pull_one(puller, *entry, bar));
        if (!pulled) return report(pulled.error());
        bar.finish(fmt::format("{} {}  {}", green(tr("installed", "已安装")), format_bytes(pulled->bytes), dim(pulled->source)));
        if (common.json) print(json::serialize(model::to_json(*pulled)));
    }
    return kOk;
}

int models_list(const Common& common) {
    const model::ModelStore store = open_store(common);
    const auto models = store.list();
    if (!models) return report(models.error());
    if (common.json) {
        json::array out;
        for (const model::InstalledModel& model : *models) out.push_back(model::to_json(model));
        print(json::serialize(out));
        return kOk;
    }
    if (models->empty()) {
        print(fmt::format("{} {}; {}", tr("no model is installed in", "尚未安装模型："), store.directory().string(), tr("install the default ones with: atrium pull --default", "可用 atrium pull --default 安装默认模型")));
        return kOk;
    }
    Table table;
    table.row({bold(tr("MODEL", "模型")), bold(tr("VERSION", "版本")), bold(tr("TASK", "用途")), bold(tr("SIZE", "大小")), bold(tr("LICENCE", "许可证"))});
    for (const model::InstalledModel& model : *models) {
        table.row({model.name, model.version, std::string(model.task == model::ModelTask::kChat ? tr("chat", "对话") : tr("embedding", "向量")),
                   format_bytes(model.bytes), model.licence});
    }
    table.print();
    print(dim(store.directory().string()));
    return kOk;
}

int models_show(const Common& common, const std::string& name) {
    const model::ModelStore store = open_store(common);
    const auto model = store.find(name);
    if (!model) return report(model.error());
    if (common.json) {
        print(json::serialize(model::to_json(*model)));
        const Result<> whole = store.check(*model);
        return whole ? kOk : report(whole.error());
    }
    Table table;
    table.row({bold(tr("name", "名称")), fmt::format("{}@{}", model->name, model->version)});
    table.row({bold(tr("file", "文件")), model->file.string()});
    table.row({bold(tr("size", "大小")), format_bytes(model->bytes)});
    table.row({bold("sha256"), model->sha256});
    table.row({bold(tr("context", "上下文")), std::to_string(model->context_length)});
    if (model->embedding_dimensions > 0) table.row({bold(tr("dimensions", "维度")), std::to_string(model->embedding_dimensions)});
    table.row({bold(tr("licence", "许可证")), model->licence});
    table.row({bold(tr("source", "来源")), model->source});
    table.print();
    const Result<> whole = store.check(*model);
    return whole ? kOk : report(whole.error());
}

int models_remove(const Common& common, const std::string& name) {
    const Result<> removed = open_store(common).remove(name);
    if (!removed) return report(removed.error());
    print(fmt::format("{} {}", tr("removed", "已删除"), name));
    return kOk;
}

}  // namespace atrium::cli
