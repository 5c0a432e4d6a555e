// The icons of the console. Each repeats the words beside it, or the label of its button, so a screen reader is told nothing
// of it; Ant Design would have it read the English name of the drawing.
import {
  ApiOutlined as Api,
  ArrowDownOutlined as ArrowDown,
  ArrowLeftOutlined as ArrowLeft,
  ArrowUpOutlined as ArrowUp,
  BookOutlined as Book,
  CheckOutlined as Check,
  CloseOutlined as Close,
  CloudUploadOutlined as CloudUpload,
  CopyOutlined as Copy,
  DatabaseOutlined as Database,
  DeleteOutlined as Delete,
  EyeOutlined as Eye,
  FileMarkdownOutlined as FileMarkdown,
  FileOutlined as File,
  FilePdfOutlined as FilePdf,
  FileTextOutlined as FileText,
  FileWordOutlined as FileWord,
  Html5Outlined as Html5,
  KeyOutlined as Key,
  LeftOutlined as Left,
  LogoutOutlined as Logout,
  MenuOutlined as Menu,
  MessageOutlined as Message,
  MoonOutlined as Moon,
  PlusOutlined as Plus,
  RedoOutlined as Redo,
  RightOutlined as Right,
  RobotOutlined as Robot,
  SearchOutlined as Search,
  SettingOutlined as Setting,
  SunOutlined as Sun,
} from '@ant-design/icons';
import type { ComponentProps } from 'react';

type Drawing = typeof Api;

function silent(Icon: Drawing) {
  return (props: ComponentProps<Drawing>) => <Icon aria-hidden aria-label={undefined} role="presentation" {...props} />;
}

export const ApiOutlined = silent(Api);
export const ArrowDownOutlined = silent(ArrowDown);
export const ArrowLeftOutlined = silent(ArrowLeft);
export const ArrowUpOutlined = silent(ArrowUp);
export const BookOutlined = silent(Book);
export const CheckOutlined = silent(Check);
export const CloseOutlined = silent(Close);
export const CloudUploadOutlined = silent(CloudUpload);
export const CopyOutlined = silent(Copy);
export const DatabaseOutlined = silent(Database);
export const DeleteOutlined = silent(Delete);
export const EyeOutlined = silent(Eye);
export const FileMarkdownOutlined = silent(FileMarkdown);
export const FileOutlined = silent(File);
export const FilePdfOutlined = silent(FilePdf);
export const FileTextOutlined = silent(FileText);
export const FileWordOutlined = silent(FileWord);
export const Html5Outlined = silent(Html5);
export const KeyOutlined = silent(Key);
export const LeftOutlined = silent(Left);
export const LogoutOutlined = silent(Logout);
export const MenuOutlined = silent(Menu);
export const MessageOutlined = silent(Message);
export const MoonOutlined = silent(Moon);
export const PlusOutlined = silent(Plus);
export const RedoOutlined = silent(Redo);
export const RightOutlined = silent(Right);
export const RobotOutlined = silent(Robot);
export const SearchOutlined = silent(Search);
export const SettingOutlined = silent(Setting);
export const SunOutlined = silent(Sun);
